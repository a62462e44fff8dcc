-- Every contact value as delivered, once, with its clean forms where the last run made them under the same
-- policy: reading a telephone number costs fifty microseconds, and few are new. Countries matter to phones only.
WITH delivered AS (
  SELECT 'email' AS contact_type, email AS raw_value, '' AS country
  FROM stg_customers
  WHERE email IS NOT NULL
  UNION
  SELECT 'email' AS contact_type, email AS raw_value, '' AS country
  FROM stg_messages
  WHERE email IS NOT NULL
  UNION
  SELECT 'email' AS contact_type, email AS raw_value, '' AS country
  FROM stg_consents
  WHERE email IS NOT NULL
  UNION
  SELECT 'phone' AS contact_type, phone AS raw_value, COALESCE(country, '') AS country
  FROM stg_customers
  WHERE phone IS NOT NULL
)
SELECT
  delivered.contact_type,
  delivered.raw_value,
  delivered.country,
  known.identifier,
  known.address,
  {{ policy }} AS policy,
  CASE WHEN known.policy IS NULL THEN 0 ELSE 1 END AS is_known
FROM delivered
LEFT JOIN contact_points AS known
  ON known.contact_type = delivered.contact_type
  AND known.raw_value = delivered.raw_value
  AND known.country = delivered.country
  AND known.policy = {{ policy }}
