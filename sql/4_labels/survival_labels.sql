{% set until = as_of_epoch + observed_days * 86400 %}
WITH followed AS (
  SELECT
    customer_key,
    MIN(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN ordered_epoch END) AS next_epoch
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ until }}
  GROUP BY customer_key
  HAVING COUNT(CASE WHEN ordered_epoch < {{ as_of_epoch }} THEN 1 END) > 0
)
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  {{ observed_days }} AS observed_days,
  CAST(FLOOR(CAST(next_epoch - {{ as_of_epoch }} AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS days_to_order,
  next_epoch IS NULL OR next_epoch >= {{ as_of_epoch + horizon_days * 86400 }} AS silent
FROM followed
