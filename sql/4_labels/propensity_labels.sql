-- All targets of a model file in one pass. A target of an offer asks those whom such a campaign targets while it runs
-- within the horizon: being targeted is the question's condition, not a feature. Any other asks everybody known.
{% from "macros/targets.sql" import facts %}
{% set until = as_of_epoch + horizon_days * 86400 %}
{% set open = ["department", "category", "brand", "product", "channel"] %}
{% set offers = [("campaign", "campaign_id"), ("campaign_type", "campaign_type"), ("offer", none)] %}
{% set asked = [] %}
WITH customers AS (
  SELECT customer_key
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
)
{% if targets["campaign"] or targets["campaign_type"] or targets["offer"] %}
, targeted AS (
  SELECT customer_offer_responses.customer_key, campaigns.campaign_id, campaigns.campaign_type
  FROM customer_offer_responses
  JOIN stg_campaigns AS campaigns ON campaigns.campaign_id = customer_offer_responses.campaign_id
  WHERE customer_offer_responses.response = 'targeted'
    AND customer_offer_responses.responded_epoch < {{ until }}
    AND campaigns.started_epoch < {{ until }}
    AND (campaigns.ended_epoch IS NULL OR campaigns.ended_epoch >= {{ as_of_epoch }})
)
{% endif %}
, asked AS (
{% for kind in open %}
{% for value in targets[kind] %}
{% set _ = asked.append(1) %}
{% if asked | length > 1 %}
  UNION ALL
{% endif %}
  SELECT customer_key, {{ kind ~ ":" ~ value }} AS target FROM customers
{% endfor %}
{% endfor %}
{% for kind, column in offers %}
{% for value in targets[kind] %}
{% set _ = asked.append(1) %}
{% if asked | length > 1 %}
  UNION ALL
{% endif %}
  SELECT targeted.customer_key, {{ kind ~ ":" ~ value }} AS target
  FROM targeted
  JOIN customers ON customers.customer_key = targeted.customer_key
  {% if column %}
  WHERE targeted.{{ column | identifier }} = {{ value }}
  {% endif %}
  GROUP BY targeted.customer_key
{% endfor %}
{% endfor %}
), did AS (
  SELECT customer_key, target
  FROM (
    {{ facts(targets, as_of_epoch, until) }}
  ) AS happened
  GROUP BY customer_key, target
)
SELECT
  asked.customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  {{ family }} AS family,
  asked.target,
  did.customer_key IS NOT NULL AS bought
FROM asked
LEFT JOIN did ON did.customer_key = asked.customer_key AND did.target = asked.target
