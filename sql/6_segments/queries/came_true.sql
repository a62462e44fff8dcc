-- What customers known at as_of did in a time before it and in as long a time after it. One row per customer.
{% from "macros/targets.sql" import facts %}
WITH spent AS (
  SELECT
    customer_key,
    COUNT(CASE WHEN ordered_epoch < {{ as_of_epoch }} THEN 1 END) AS orders_before,
    COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN 1 END) AS orders_after,
    CAST(SUM(CASE WHEN ordered_epoch < {{ as_of_epoch }} THEN total_cents ELSE 0 END) AS BIGINT) AS cents_before,
    CAST(SUM(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN total_cents ELSE 0 END) AS BIGINT) AS cents_after
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch >= {{ since }} AND ordered_epoch < {{ until }}
  GROUP BY customer_key
)
{% if targets %}
, did AS (
  SELECT customer_key, CAST(SUM(cents) AS BIGINT) AS cents
  FROM (
    {{ facts(targets, as_of_epoch, until) }}
  ) AS happened
  GROUP BY customer_key
)
{% elif kind == "redemption" %}
, did AS (
  SELECT customer_key, CAST(0 AS BIGINT) AS cents
  FROM customer_offer_responses
  WHERE response = 'redeemed' AND responded_epoch >= {{ as_of_epoch }} AND responded_epoch < {{ until }}
  GROUP BY customer_key
)
{% endif %}
{% if kind == "redemption" %}
, asked AS (
  SELECT responses.customer_key
  FROM customer_offer_responses AS responses
  JOIN stg_campaigns AS campaigns ON campaigns.campaign_id = responses.campaign_id
  WHERE responses.response = 'targeted' AND responses.responded_epoch < {{ until }}
    AND campaigns.started_epoch < {{ until }}
    AND (campaigns.ended_epoch IS NULL OR campaigns.ended_epoch >= {{ as_of_epoch }})
    {% for column in ["campaign_id", "campaign_type"] %}
    {% set wanted = targets[column | replace("_id", "")] if targets else [] %}
    {% if wanted %}
    AND campaigns.{{ column | identifier }} IN ({{ wanted }})
    {% endif %}
    {% endfor %}
  GROUP BY responses.customer_key
)
{% endif %}
SELECT
  everybody.customer_key,
  COALESCE(spent.orders_before, 0) AS orders_before,
  COALESCE(spent.orders_after, 0) AS orders_after,
  COALESCE(spent.cents_before, 0) AS cents_before,
  COALESCE(spent.cents_after, 0) AS cents_after,
  {% if targets or kind == "redemption" %}
  did.customer_key IS NOT NULL AS did,
  COALESCE(did.cents, 0) AS did_cents,
  {% else %}
  COALESCE(spent.orders_after, 0) > 0 AS did,
  COALESCE(spent.cents_after, 0) AS did_cents,
  {% endif %}
  {% if kind == "redemption" %}
  asked.customer_key IS NOT NULL AS is_asked
  {% elif kind in ["churn", "collapse"] %}
  COALESCE(spent.orders_before, 0) > 0 AS is_asked
  {% else %}
  TRUE AS is_asked
  {% endif %}
FROM customer_features AS everybody
LEFT JOIN spent ON spent.customer_key = everybody.customer_key
{% if targets or kind == "redemption" %}
LEFT JOIN did ON did.customer_key = everybody.customer_key
{% endif %}
{% if kind == "redemption" %}
LEFT JOIN asked ON asked.customer_key = everybody.customer_key
{% endif %}
WHERE everybody.as_of = {{ as_of }}
ORDER BY everybody.customer_key ASC NULLS LAST
