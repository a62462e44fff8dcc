-- Being targeted within the horizon is the question's condition (given a campaign), not a feature.
{% set until = as_of_epoch + horizon_days * 86400 %}
WITH customers AS (
  SELECT customer_key
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), running AS (
  SELECT campaign_id
  FROM stg_campaigns
  WHERE started_epoch < {{ until }} AND (ended_epoch IS NULL OR ended_epoch >= {{ as_of_epoch }})
), responses AS (
  SELECT
    responses.customer_key,
    COUNT(CASE WHEN responses.response = 'targeted' THEN 1 END) AS targeted,
    COUNT(CASE WHEN responses.response = 'redeemed' AND responses.responded_epoch >= {{ as_of_epoch }} THEN 1 END) AS redeemed
  FROM customer_offer_responses AS responses
  JOIN running ON running.campaign_id = responses.campaign_id
  WHERE responses.responded_epoch < {{ until }}
  GROUP BY responses.customer_key
)
SELECT
  customers.customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  responses.redeemed > 0 AS redeemed
FROM customers
JOIN responses ON responses.customer_key = customers.customer_key
WHERE responses.targeted > 0
