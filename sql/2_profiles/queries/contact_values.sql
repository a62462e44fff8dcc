-- Every contact value as delivered, once. Countries matter to phone numbers only.
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
