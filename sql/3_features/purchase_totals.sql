-- One window for all: an order's place from the last, the order before it, and the week of the one after it.
-- Its partitions keep cancelled orders out of the gaps between placed ones. No tie-breaker: of orders in the same
-- second only the second is used, and a text key to sort by costs a fifth of the query.
WITH orders AS (
  SELECT
    customer_key,
    status,
    channel,
    CASE WHEN status = 'placed' THEN ordered_epoch END AS placed_epoch,
    ordered_epoch,
    total_cents,
    CAST(FLOOR(CAST({{ as_of_epoch }} - 1 - ordered_epoch AS DOUBLE) / CAST(604800 AS DOUBLE)) AS BIGINT) AS weeks_ago,
    LAG(ordered_epoch) OVER latest_first AS next_epoch,
    LEAD(ordered_epoch) OVER latest_first AS previous_epoch,
    ROW_NUMBER() OVER latest_first AS nth_last
  FROM customer_orders
  WHERE ordered_epoch < {{ as_of_epoch }}
  WINDOW latest_first AS (
    PARTITION BY customer_key, CASE WHEN status = 'placed' THEN 1 ELSE 0 END ORDER BY ordered_epoch DESC NULLS LAST
  )
), measured AS (
  SELECT
    customer_key,
    status,
    channel,
    placed_epoch,
    ordered_epoch,
    nth_last,
    total_cents,
    placed_epoch - previous_epoch AS gap_seconds,
    CASE
      WHEN next_epoch IS NULL THEN 1
      WHEN weeks_ago > CAST(FLOOR(CAST({{ as_of_epoch }} - 1 - next_epoch AS DOUBLE) / CAST(604800 AS DOUBLE)) AS BIGINT) THEN 1
      ELSE 0
    END AS opens_week,
    EXP(
      CAST({{ orders_decay }} AS DOUBLE) * CAST({{ as_of_epoch }} - placed_epoch AS DOUBLE)
    ) AS order_weight,
    EXP(
      CAST({{ spend_decay }} AS DOUBLE) * CAST({{ as_of_epoch }} - placed_epoch AS DOUBLE)
    ) AS spend_weight
  FROM orders
)
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  MIN(placed_epoch) AS first_order_epoch,
  MAX(placed_epoch) AS last_order_epoch,
  COUNT(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 28 * 86400 THEN 1 END) AS orders_28d,
  COUNT(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 84 * 86400 THEN 1 END) AS orders_84d,
  COUNT(placed_epoch) AS orders_total,
  COUNT(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 84 * 86400 AND opens_week = 1 THEN 1 END) AS active_weeks_84d,
  COUNT(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 84 * 86400 AND channel = 'web' THEN 1 END) AS web_orders_84d,
  COUNT(CASE WHEN placed_epoch IS NOT NULL AND channel = 'web' THEN 1 END) AS web_orders_total,
  COUNT(CASE WHEN status <> 'placed' AND ordered_epoch >= {{ as_of_epoch }} - 84 * 86400 THEN 1 END) AS returned_orders_84d,
  CAST(COALESCE(SUM(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 28 * 86400 THEN total_cents END), 0) AS BIGINT) AS spend_cents_28d,
  CAST(COALESCE(SUM(CASE WHEN placed_epoch >= {{ as_of_epoch }} - 84 * 86400 THEN total_cents END), 0) AS BIGINT) AS spend_cents_84d,
  CAST(COALESCE(SUM(CASE WHEN placed_epoch IS NOT NULL THEN total_cents END), 0) AS BIGINT) AS spend_cents_total,
  CAST(COALESCE(SUM(CAST(FLOOR(order_weight * 1000000) AS BIGINT)), 0) AS BIGINT) AS decayed_orders_micros,
  CAST(COALESCE(SUM(CAST(FLOOR(CAST(total_cents AS DOUBLE) * spend_weight * 1000000) AS BIGINT)), 0) AS BIGINT) AS decayed_spend_micros,
  CAST(SUM(gap_seconds * gap_seconds) AS BIGINT) AS gap_seconds_squared,
  CAST(SUM(CASE WHEN nth_last <= 3 THEN gap_seconds END) AS BIGINT) AS last_gaps_seconds,
  MAX(CASE WHEN nth_last = 1 THEN gap_seconds END) AS last_gap_seconds
FROM measured
GROUP BY customer_key
