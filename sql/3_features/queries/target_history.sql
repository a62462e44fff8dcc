-- What each customer has bought of one department or category before as_of, for propensity models and their rules.
-- Reads customer_order_lines. Customers who never bought of it have no row.
WITH orders AS (
  SELECT
    customer_key,
    order_id,
    MIN(ordered_epoch) AS ordered_epoch,
    CAST(SUM(amount_cents) AS BIGINT) AS cents
  FROM customer_order_lines
  WHERE status = 'placed'
    AND ordered_epoch < {{ as_of_epoch }}
    AND (department = {{ target }} OR category = {{ target }})
  GROUP BY customer_key, order_id
)
SELECT
  customer_key,
  CAST(FLOOR(CAST({{ as_of_epoch }} - MAX(ordered_epoch) AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS target_recency_days,
  COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch - 28 * 86400 }} THEN 1 END) AS target_orders_28d,
  COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch - 84 * 86400 }} THEN 1 END) AS target_orders_84d,
  COUNT(*) AS target_orders_total,
  CAST(COALESCE(SUM(CASE WHEN ordered_epoch >= {{ as_of_epoch - 84 * 86400 }} THEN cents END), 0) AS BIGINT) AS target_spend_cents_84d
FROM orders
GROUP BY customer_key
