{% set until = as_of_epoch + horizon_days * 86400 %}
WITH customers AS (
  SELECT customer_key
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), buyers AS (
  SELECT customer_key
  FROM customer_order_lines
  WHERE status = 'placed'
    AND ordered_epoch >= {{ as_of_epoch }}
    AND ordered_epoch < {{ until }}
    AND (department = {{ target }} OR category = {{ target }})
  GROUP BY customer_key
)
SELECT
  customers.customer_key,
  {{ as_of }} AS as_of,
  {{ horizon_days }} AS horizon_days,
  {{ target }} AS target,
  buyers.customer_key IS NOT NULL AS bought
FROM customers
LEFT JOIN buyers ON buyers.customer_key = customers.customer_key
