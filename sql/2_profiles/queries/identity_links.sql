-- Which identifier was seen with which customer reference, and since when. Only a customer record or a
-- login links; an address in a message or a consent is looked up, it proves nothing about its owner.
SELECT
  contacts.contact_type AS identifier_type,
  contacts.identifier,
  customers.customer_ref,
  MIN(customers.created_epoch) AS first_seen_epoch
FROM stg_customers AS customers
JOIN contact_points AS contacts
  ON contacts.contact_type = 'email' AND contacts.raw_value = customers.email AND contacts.country = ''
WHERE contacts.identifier IS NOT NULL
GROUP BY contacts.contact_type, contacts.identifier, customers.customer_ref
UNION ALL
SELECT
  contacts.contact_type AS identifier_type,
  contacts.identifier,
  customers.customer_ref,
  MIN(customers.created_epoch) AS first_seen_epoch
FROM stg_customers AS customers
JOIN contact_points AS contacts
  ON contacts.contact_type = 'phone'
  AND contacts.raw_value = customers.phone
  AND contacts.country = COALESCE(customers.country, '')
WHERE contacts.identifier IS NOT NULL
GROUP BY contacts.contact_type, contacts.identifier, customers.customer_ref
UNION ALL
SELECT
  'anonymous_id' AS identifier_type,
  seen.anonymous_id AS identifier,
  seen.customer_ref,
  MIN(seen.seen_epoch) AS first_seen_epoch
FROM (
  SELECT anonymous_id, customer_ref, created_epoch AS seen_epoch
  FROM stg_customers
  WHERE anonymous_id IS NOT NULL
  UNION ALL
  SELECT anonymous_id, customer_ref, event_epoch AS seen_epoch
  FROM stg_events
  WHERE anonymous_id IS NOT NULL AND customer_ref IS NOT NULL
) AS seen
GROUP BY seen.anonymous_id, seen.customer_ref
