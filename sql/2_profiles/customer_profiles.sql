-- Each order of sources ranks a customer's records once; an attribute takes the best-ranked record that has it.
-- rankings: lists of sources, most trusted first. attributes: (attribute, position of its ranking).
WITH records AS (
  SELECT
    identities.customer_key,
    customers.customer_ref,
    customers.source_name,
    COALESCE(customers.updated_epoch, customers.created_epoch) AS updated_epoch,
    emails.address AS email,
    phones.address AS phone,
    customers.first_name,
    customers.last_name,
    customers.country,
    customers.region,
    customers.birth_year,
    customers.age_band,
    customers.income_band,
    customers.household_size,
    customers.home_ownership,
    customers.marital_status
  FROM stg_customers AS customers
  JOIN customer_identities AS identities
    ON identities.identifier_type = 'customer_ref' AND identities.identifier = customers.customer_ref
  LEFT JOIN contact_points AS emails
    ON emails.contact_type = 'email' AND emails.raw_value = customers.email AND emails.country = ''
  LEFT JOIN contact_points AS phones
    ON phones.contact_type = 'phone'
    AND phones.raw_value = customers.phone
    AND phones.country = COALESCE(customers.country, '')
),
ranked AS (
  SELECT
    {% for sources in rankings %}
    ROW_NUMBER() OVER (
      PARTITION BY customer_key
      ORDER BY
        {% for source in sources %}
        CASE WHEN source_name = {{ source }} THEN 0 ELSE 1 END ASC NULLS LAST,
        {% endfor %}
        updated_epoch DESC NULLS LAST,
        source_name ASC NULLS LAST,
        customer_ref ASC NULLS LAST
    ) AS rank_{{ loop.index0 }},
    {% endfor %}
    records.*
  FROM records
),
best AS (
  SELECT
    {% for attribute, ranking in attributes %}
    MIN(CASE WHEN {{ attribute | identifier }} IS NOT NULL THEN rank_{{ ranking }} END)
      AS {{ attribute | identifier }}_rank,
    {% endfor %}
    customer_key,
    COUNT(*) AS record_count,
    COUNT(DISTINCT source_name) AS source_count
  FROM ranked
  GROUP BY customer_key
),
golden AS (
  SELECT
    {% for attribute, ranking in attributes %}
    MAX(CASE
      WHEN ranked.rank_{{ ranking }} = best.{{ attribute | identifier }}_rank THEN ranked.{{ attribute | identifier }}
    END) AS {{ attribute | identifier }},
    {% endfor %}
    ranked.customer_key,
    MAX(best.record_count) AS record_count,
    MAX(best.source_count) AS source_count
  FROM ranked
  JOIN best ON best.customer_key = ranked.customer_key
  GROUP BY ranked.customer_key
),
customers AS (
  SELECT customer_key, MIN(first_seen_epoch) AS first_seen_epoch
  FROM customer_identities
  GROUP BY customer_key
)
SELECT
  customers.customer_key,
  golden.email,
  CASE WHEN golden.email IS NOT NULL THEN SPLIT_PART(golden.email, '@', 2) END AS email_domain,
  CASE WHEN golden.email IS NOT NULL THEN COUNT(*) OVER (PARTITION BY golden.email) ELSE 0 END AS email_shared_by,
  golden.phone,
  golden.first_name,
  golden.last_name,
  golden.country,
  golden.region,
  golden.birth_year,
  golden.age_band,
  golden.income_band,
  golden.household_size,
  golden.home_ownership,
  golden.marital_status,
  customers.first_seen_epoch,
  COALESCE(golden.record_count, 0) AS record_count,
  COALESCE(golden.source_count, 0) AS source_count
FROM customers
LEFT JOIN golden ON golden.customer_key = customers.customer_key
ORDER BY customers.customer_key ASC NULLS FIRST
