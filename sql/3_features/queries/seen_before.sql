-- How many customers' stored features are not what lies strictly before as_of, and one of them. A second way to the
-- same few numbers, on purpose: it shares nothing with the features' own statements, so a mistake there shows here.
-- One row.
WITH orders AS (
  SELECT
    customer_key,
    MAX(ordered_epoch) AS last_epoch,
    COUNT(*) AS orders_total,
    COUNT(CASE WHEN ordered_epoch >= {{ as_of_epoch - 28 * 86400 }} THEN 1 END) AS orders_28d,
    SUM(CASE WHEN ordered_epoch >= {{ as_of_epoch - 28 * 86400 }} THEN total_cents ELSE 0 END) AS spend_cents_28d
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), views AS (
  SELECT customer_key, COUNT(*) AS views_28d
  FROM customer_events
  WHERE event_type IN ('page_view', 'product_view')
    AND event_epoch >= {{ as_of_epoch - 28 * 86400 }} AND event_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), compared AS (
  SELECT
    stored.customer_key,
    CASE WHEN stored.recency_days = CAST(FLOOR(
      CAST({{ as_of_epoch }} - orders.last_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)
    ) AS BIGINT) OR (stored.recency_days IS NULL AND orders.last_epoch IS NULL) THEN 0 ELSE 1 END AS recency_days,
    CASE WHEN stored.orders_total = COALESCE(orders.orders_total, 0) THEN 0 ELSE 1 END AS orders_total,
    CASE WHEN stored.orders_28d = COALESCE(orders.orders_28d, 0) THEN 0 ELSE 1 END AS orders_28d,
    CASE WHEN stored.spend_cents_28d = COALESCE(orders.spend_cents_28d, 0) THEN 0 ELSE 1 END AS spend_cents_28d,
    CASE WHEN stored.views_28d = COALESCE(views.views_28d, 0) THEN 0 ELSE 1 END AS views_28d
  FROM customer_features AS stored
  LEFT JOIN orders ON orders.customer_key = stored.customer_key
  LEFT JOIN views ON views.customer_key = stored.customer_key
  WHERE stored.as_of = {{ as_of }}
)
SELECT
  COUNT(*) AS customers,
  CAST(COALESCE(SUM(recency_days), 0) AS BIGINT) AS recency_days,
  CAST(COALESCE(SUM(orders_total), 0) AS BIGINT) AS orders_total,
  CAST(COALESCE(SUM(orders_28d), 0) AS BIGINT) AS orders_28d,
  CAST(COALESCE(SUM(spend_cents_28d), 0) AS BIGINT) AS spend_cents_28d,
  CAST(COALESCE(SUM(views_28d), 0) AS BIGINT) AS views_28d,
  MIN(
    CASE WHEN recency_days + orders_total + orders_28d + spend_cents_28d + views_28d > 0 THEN customer_key END
  ) AS example_key
FROM compared
