-- Two references that one source record states to be the same customer.
SELECT DISTINCT customer_ref, linked_ref
FROM stg_customers
WHERE linked_ref IS NOT NULL
