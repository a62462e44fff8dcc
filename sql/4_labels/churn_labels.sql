{% set until = as_of_epoch + horizon_days * 86400 %}
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  {{ active_window_days }} AS active_window_days,
  COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch }} THEN 1 END) = 0 AS churned
FROM customer_orders
WHERE status = 'placed'
  AND ordered_epoch >= {{ as_of_epoch - active_window_days * 86400 }}
  AND ordered_epoch < {{ until }}
GROUP BY customer_key
HAVING COUNT(CASE WHEN ordered_epoch < {{ as_of_epoch }} THEN 1 END) > 0
