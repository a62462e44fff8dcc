{% set until = as_of_epoch + horizon_days * 86400 %}
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  CAST(COALESCE(SUM(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN total_cents END), 0) AS BIGINT) AS spend_cents,
  COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN 1 END) AS orders
FROM customer_orders
WHERE status = 'placed' AND ordered_epoch < {{ until }}
GROUP BY customer_key
HAVING COUNT(CASE WHEN ordered_epoch < {{ as_of_epoch }} THEN 1 END) > 0
