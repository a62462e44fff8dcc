-- A record that names no customer is about everybody who holds its address when it withdraws, and
-- about the holder only where there is one when it grants: in doubt the answer is no.
WITH holders AS (
  SELECT DISTINCT contacts.identifier AS email, identities.customer_key
  FROM stg_customers AS customers
  JOIN customer_identities AS identities
    ON identities.identifier_type = 'customer_ref' AND identities.identifier = customers.customer_ref
  JOIN contact_points AS contacts
    ON contacts.contact_type = 'email' AND contacts.raw_value = customers.email AND contacts.country = ''
  WHERE contacts.identifier IS NOT NULL
),
counted AS (
  SELECT email, customer_key, COUNT(*) OVER (PARTITION BY email) AS holders
  FROM holders
),
attributed AS (
  SELECT
    identities.customer_key,
    consents.consent_id,
    consents.purpose,
    consents.channel,
    consents.granted,
    consents.recorded_at,
    consents.recorded_epoch
  FROM stg_consents AS consents
  JOIN customer_identities AS identities
    ON identities.identifier_type = 'customer_ref' AND identities.identifier = consents.customer_ref
  UNION ALL
  SELECT
    counted.customer_key,
    consents.consent_id,
    consents.purpose,
    consents.channel,
    consents.granted,
    consents.recorded_at,
    consents.recorded_epoch
  FROM stg_consents AS consents
  JOIN contact_points AS contacts
    ON contacts.contact_type = 'email' AND contacts.raw_value = consents.email AND contacts.country = ''
  JOIN counted ON counted.email = contacts.identifier
  WHERE consents.customer_ref IS NULL AND (NOT consents.granted OR counted.holders = 1)
)
SELECT customer_key, purpose, channel, granted, recorded_at, recorded_epoch
FROM attributed
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY customer_key, purpose, channel
  ORDER BY
    recorded_epoch DESC NULLS LAST,
    CASE WHEN granted THEN 1 ELSE 0 END ASC NULLS FIRST,
    consent_id ASC NULLS FIRST
) = 1
ORDER BY customer_key ASC NULLS FIRST, purpose ASC NULLS FIRST, channel ASC NULLS FIRST
