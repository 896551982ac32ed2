-- Tells in the database itself what each table, view and function is for, and each column that needs it.
--
-- What every file here keeps to:
-- * It is named for the version it leads to, and never edited once released. schema.sql changes along with it, its
--   version too; a test compares what both ways make, object by object. The line at the top is shown to the owner.
-- * The program runs it in one transaction: no BEGIN or COMMIT, nothing that cannot run in one (CONCURRENTLY, VACUUM).
-- * A new column comes last in schema.sql's table, too, and has a plain type (numeric, date) there and here, not a domain
--   (money_amount, business_day): to add one of those writes the whole table anew, under a lock that keeps readers out.
--   So does one that is GENERATED or IDENTITY, or whose DEFAULT differs from row to row.
-- * The rule of a new column is ADD CONSTRAINT … CHECK … NOT VALID; VALIDATE CONSTRAINT stands in a file of its own after
--   it, so that others can write while the rows are read.
-- * Functions and views: CREATE OR REPLACE with the whole text of schema.sql; comments and grants on them stay.
-- * No IF EXISTS, no IF NOT EXISTS: they hide that a database is not what it should be.

COMMENT ON TABLE schema_version IS 'The versions that these tables have had; the highest is the present one.';
COMMENT ON DOMAIN money_amount IS 'An amount of money, exact to the cent.';
COMMENT ON DOMAIN business_day IS 'A day that a provider can have business on.';
COMMENT ON FUNCTION digits(text) IS 'A phone number''s digits.';
COMMENT ON TABLE customers IS 'Somebody who pays for service.';
COMMENT ON COLUMN customers.phone_number IS 'As it was written; searched by its digits.';
COMMENT ON TABLE locations IS 'A site where a customer receives service.';
COMMENT ON TABLE services IS 'What a location is subscribed to.';
COMMENT ON COLUMN services.cost IS 'The monthly charge.';
COMMENT ON TABLE equipment IS 'A device that stands at a location.';
COMMENT ON COLUMN equipment.serial_number IS 'No two devices share one; NULL where there is none.';
COMMENT ON COLUMN equipment.cost IS 'What the device is worth; it is on no bill.';
COMMENT ON TABLE billing IS 'A bill of a customer.';
COMMENT ON COLUMN billing.period IS
    'The first day of the month that a bill run billed; NULL for a bill made by hand.';
COMMENT ON COLUMN billing.issued_on IS 'The day the bill was made.';
COMMENT ON COLUMN billing.due_date IS 'The last day to pay; the bill is late from the next day on.';
COMMENT ON COLUMN billing.amount_billed IS 'What the lines of the bill add up to.';
COMMENT ON COLUMN billing.amount_paid IS
    'The sum of its allocations from payments that are not void; kept by triggers.';
COMMENT ON COLUMN billing.amount_due IS 'What is left to pay: amount_billed less amount_paid.';
COMMENT ON COLUMN billing.last_payment_date IS 'The day of the latest such payment, or NULL; kept by triggers.';
COMMENT ON TABLE billing_items IS 'The lines of a bill, as they were when it was made.';
COMMENT ON COLUMN billing_items.service_id IS
    'The service that was billed, which may be gone; NULL for a line typed by hand.';
COMMENT ON COLUMN billing_items.amount IS 'What the line adds to the bill; below 0 where the bill was lowered.';
COMMENT ON TABLE payments IS 'Money received from a customer.';
COMMENT ON COLUMN payments.amount IS 'What was received.';
COMMENT ON COLUMN payments.amount_allocated IS 'The sum of its allocations; kept by triggers.';
COMMENT ON COLUMN payments.amount_left IS
    'amount less amount_allocated: the customer''s credit, unless the payment is void.';
COMMENT ON COLUMN payments.paid_on IS 'The day the money came.';
COMMENT ON COLUMN payments.reference IS 'The number of a receipt or transfer, as typed; NULL for none.';
COMMENT ON COLUMN payments.entry_key IS 'Made when the form opens: the same form can never pay twice.';
COMMENT ON COLUMN payments.recorded_by IS 'The login that recorded it.';
COMMENT ON COLUMN payments.voided_at IS 'When it was voided, and ceased to count; NULL for one that counts.';
COMMENT ON TABLE payment_allocations IS
    'Which bill a payment paid. Never edited; those of a void payment stay, and count for nothing.';
COMMENT ON COLUMN payment_allocations.amount IS 'How much of the bill it paid.';
COMMENT ON COLUMN payment_allocations.from_credit IS 'True where the money was there before, as credit.';
COMMENT ON VIEW billing_status IS 'Each bill, and whether it is late today.';
COMMENT ON COLUMN billing_status.is_late IS 'Whether there is something to pay and the due date has passed.';
COMMENT ON COLUMN billing_status.days_late IS 'Days since the due date; 0 for a bill that is not late.';
COMMENT ON VIEW customer_credit IS 'Money received and not yet allocated to a bill, for each customer who has some.';
COMMENT ON FUNCTION owed_on(date) IS 'What customers owed on a day, bill by bill, and how many days late it was.';
COMMENT ON FUNCTION matching_customers(text, text, text, text, integer) IS
    'Customers whose name or phone number matches one of these LIKE patterns, no more than most.';
COMMENT ON FUNCTION matching_locations(text, text, text, text, integer) IS
    'Locations that match by their address, or their customer as matching_customers() does, no more than most.';
COMMENT ON FUNCTION settle_bills(bigint[]) IS
    'Set what these bills say was paid on them from their allocations.';
COMMENT ON FUNCTION settle_payments(bigint[]) IS
    'Set what these payments say was allocated from their allocations.';
COMMENT ON FUNCTION allocations_changed() IS
    'Settle the payments and bills of allocations that came or went, and refuse one to another customer''s bill.';
COMMENT ON FUNCTION allocation_edited() IS 'Refuse to edit an allocation.';
COMMENT ON FUNCTION kept_by_triggers() IS 'Refuse to write sums that follow from allocations.';
COMMENT ON FUNCTION payment_changed() IS 'Settle the bills of a payment that was voided or given another date.';
COMMENT ON FUNCTION apply_credit(bigint[], bigint) IS 'Spend credit on unpaid bills, of these customers or of all.';
