"""The same tables in Django: bulk_create from a CSV file, and the admin's list and change pages.

Run by a Python that has Django: django_peer.py PARAMETERS TASK …; prints the seconds it took as JSON. Django's own
tables are in an SQLite file in memory, so that the measured database stays as it is.
"""
from __future__ import annotations

import csv
import json
import statistics
import sys
import time
import types

import django
from django.conf import settings


def configure(parameters: dict) -> None:
    """Set up a project whose only app holds the tracker's tables."""
    settings.configure(
        SECRET_KEY="benchmark", ALLOWED_HOSTS=["*"], ROOT_URLCONF="urls", DEBUG=False, USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            "isp": {
                "ENGINE": "django.db.backends.postgresql", "NAME": parameters["dbname"],
                "USER": parameters.get("user", ""), "PASSWORD": parameters.get("password", ""),
                "HOST": parameters.get("host", ""), "PORT": parameters.get("port", ""), "CONN_MAX_AGE": None,
            },
        },
        DATABASE_ROUTERS=["tracker.Router"],
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                        "django.contrib.sessions", "django.contrib.messages", "tracker"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                    "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                       "django.contrib.auth.context_processors.auth",
                                                       "django.contrib.messages.context_processors.messages"]}}],
        STATIC_URL="/static/",
    )
    tracker = types.ModuleType("tracker")
    tracker.__file__, tracker.__path__ = __file__, []
    tracker.Router = Router
    sys.modules["tracker"] = tracker
    django.setup()


class Router:
    """Send the tracker's tables to the measured database, and Django's own to SQLite."""

    def db_for_read(self, model: type, **hints: object) -> str:
        return "isp" if model._meta.app_label == "tracker" else "default"

    db_for_write = db_for_read

    def allow_relation(self, *objects: object, **hints: object) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        return db == "default" and app_label != "tracker"


def make_models() -> types.SimpleNamespace:
    """Define the tables that the pages show, as a Django developer would over an existing database."""
    from django.db import models

    def meta(table: str) -> type:
        return type("Meta", (), {"app_label": "tracker", "managed": False, "db_table": table})

    class Customer(models.Model):
        customer_id = models.BigAutoField(primary_key=True)
        name = models.TextField()
        phone_number = models.TextField()
        created_at = models.DateTimeField(auto_now_add=True)
        Meta = meta("customers")

    class Location(models.Model):
        location_id = models.BigAutoField(primary_key=True)
        customer = models.ForeignKey(Customer, models.CASCADE)
        address = models.TextField()
        Meta = meta("locations")

    class Bill(models.Model):
        billing_id = models.BigAutoField(primary_key=True)
        customer = models.ForeignKey(Customer, models.CASCADE)
        description = models.TextField()
        due_date = models.DateField()
        amount_billed = models.DecimalField(max_digits=12, decimal_places=2)
        amount_paid = models.DecimalField(max_digits=12, decimal_places=2)
        Meta = meta("billing")

    return types.SimpleNamespace(Customer=Customer, Location=Location, Bill=Bill)


def bulk_create(models: types.SimpleNamespace, file: str) -> dict[str, float]:
    """Insert the file's customers with a location each, in one transaction."""
    from django.db import transaction

    begin = time.perf_counter()
    with open(file, encoding="utf-8", newline="") as lines, transaction.atomic("isp"):
        rows = list(csv.DictReader(lines))
        customers = models.Customer.objects.bulk_create(
            (models.Customer(name=row["name"], phone_number=row["phone_number"]) for row in rows), batch_size=5000
        )
        models.Location.objects.bulk_create(
            (models.Location(customer=customer, address=row["address"]) for customer, row in zip(customers, rows)),
            batch_size=5000,
        )
    return {"bulk_create": time.perf_counter() - begin}


def pages(models: types.SimpleNamespace, work: dict[str, list]) -> dict[str, float]:
    """Time the admin's list page for each search and its change page for each customer; medians."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    def inline(of: type) -> type:
        return type("Inline", (admin.TabularInline,), {"model": of, "extra": 0})

    class CustomerAdmin(admin.ModelAdmin):
        list_display = ("customer_id", "name", "phone_number")
        search_fields = ("name", "phone_number")
        ordering = ("name",)
        inlines = (inline(models.Location), inline(models.Bill))

    admin.site.register(models.Customer, CustomerAdmin)
    urls = types.ModuleType("urls")
    from django.urls import path
    urls.urlpatterns = [path("admin/", admin.site.urls)]
    sys.modules["urls"] = urls
    call_command("migrate", verbosity=0)
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.create_superuser("benchmark"))

    def get(url: str, **query: str) -> float:
        begin = time.perf_counter()
        response = client.get(url, query)
        assert response.status_code == 200, (url, response.status_code)
        return time.perf_counter() - begin

    place = "/admin/tracker/customer/"
    get(place)
    seconds = {name: [get(place, q=term) for term in terms] for name, terms in work.items() if name != "account"}
    seconds["account"] = [get(f"{place}{customer_id}/change/") for customer_id in work["account"]]
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def main(parameters: str, task: str, argument: str) -> None:
    """Do one task; argument is a file for bulk_create, and JSON for pages."""
    configure(json.loads(parameters))
    models = make_models()
    result = bulk_create(models, argument) if task == "bulk_create" else pages(models, json.loads(argument))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
