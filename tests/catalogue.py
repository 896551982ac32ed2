"""What a database holds, object by object, so that two databases can be compared and what differs be named."""
from __future__ import annotations

from typing import Any

OBJECTS = """
WITH ours AS (
    SELECT pg_class.*
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
      AND oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
)
SELECT 'relation ' || relname AS name,
       jsonb_build_array(relkind, relpersistence, reloptions, relrowsecurity, relreplident, relacl::text,
                         pg_get_userbyid(relowner)) AS definition
FROM ours
UNION ALL
SELECT 'column ' || relname || '.' || attname,
       jsonb_build_array(row_number() OVER (PARTITION BY ours.oid ORDER BY attnum), format_type(atttypid, atttypmod),
                         attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid), attcollation::regcollation,
                         attstorage, attcompression, attoptions, attacl::text)
FROM ours
JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = ours.oid AND adnum = attnum
WHERE relkind IN ('r', 'v', 'm', 'p', 'f', 'c')
UNION ALL
SELECT 'constraint ' || conname || ' on ' || coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
       jsonb_build_array(pg_get_constraintdef(oid), convalidated, condeferrable, condeferred)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index ' || relname,
       jsonb_build_array(pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered, indisreplident)
FROM ours
JOIN pg_index ON indexrelid = ours.oid
UNION ALL
SELECT 'sequence ' || relname,
       jsonb_build_array(seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle, deptype,
                         refobjid::regclass, refobjsubid)
FROM ours
JOIN pg_sequence ON seqrelid = ours.oid
LEFT JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = ours.oid AND deptype IN ('a', 'i')
UNION ALL
SELECT 'view ' || relname, to_jsonb(pg_get_viewdef(oid))
FROM ours
WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'rule ' || rulename || ' on ' || relname, jsonb_build_array(pg_get_ruledef(pg_rewrite.oid), ev_enabled)
FROM ours
JOIN pg_rewrite ON ev_class = ours.oid AND rulename <> '_RETURN'
UNION ALL
SELECT 'policy ' || polname || ' on ' || relname,
       jsonb_build_array(polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),
                         pg_get_expr(polwithcheck, polrelid))
FROM ours
JOIN pg_policy ON polrelid = ours.oid
UNION ALL
SELECT 'trigger ' || tgname || ' on ' || relname, jsonb_build_array(pg_get_triggerdef(pg_trigger.oid), tgenabled)
FROM ours
JOIN pg_trigger ON tgrelid = ours.oid AND NOT tgisinternal
UNION ALL
SELECT 'function ' || pg_proc.oid::regprocedure,
       jsonb_build_array(pg_get_functiondef(pg_proc.oid), provolatile, prosecdef, proparallel, proconfig, proacl::text,
                         pg_get_userbyid(proowner))
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
  AND prokind <> 'a'
  AND oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e')
UNION ALL
SELECT 'type ' || pg_type.oid::regtype,
       jsonb_build_array(typtype, format_type(nullif(typbasetype, 0), typtypmod), typnotnull, typdefault,
                         typcollation::regcollation, typacl::text,
                         ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = pg_type.oid ORDER BY enumsortorder))
FROM pg_type
WHERE typnamespace = 'public'::regnamespace
  AND typtype IN ('d', 'e', 'r')
  AND oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_type'::regclass AND deptype = 'e')
UNION ALL
SELECT 'extension ' || extname, jsonb_build_array(extversion, extnamespace::regnamespace)
FROM pg_extension
UNION ALL
SELECT 'schema ' || nspname, jsonb_build_array(nspacl::text)
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT 'comment on ' || pg_describe_object(classoid, objoid, objsubid), to_jsonb(description)
FROM pg_description
WHERE objoid >= 16384
"""


def catalogue(cur: Any) -> dict[str, str]:
    """Return every object of a database by its kind and name, with its whole definition."""
    cur.execute(OBJECTS)
    rows = cur.fetchall()
    objects = {row["name"]: str(row["definition"]) for row in rows}
    assert len(objects) == len(rows), "two objects have one name"
    return objects


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return a line for each object that only one of two catalogues has, or that differs."""
    return [
        f"{name}: {one.get(name, 'is missing')} / {other.get(name, 'is missing')}"
        for name in sorted({*one, *other}) if one.get(name) != other.get(name)
    ]
