-- All targets of a model file in one pass over the history.
{% from "macros/targets.sql" import facts %}
WITH happened AS (
  SELECT
    customer_key,
    target,
    fact,
    MIN(epoch) AS epoch,
    CAST(SUM(cents) AS BIGINT) AS cents
  FROM (
    {{ facts(targets, none, as_of_epoch) }}
  ) AS each_line
  GROUP BY customer_key, target, fact
), counted AS (
  SELECT
    customer_key,
    target,
    MIN(epoch) AS first_epoch,
    MAX(epoch) AS last_epoch,
    COUNT(CASE WHEN epoch >= {{ as_of_epoch - 28 * 86400 }} THEN 1 END) AS orders_28d,
    COUNT(CASE WHEN epoch >= {{ as_of_epoch - 84 * 86400 }} THEN 1 END) AS orders_84d,
    COUNT(*) AS orders_total,
    CAST(COALESCE(SUM(CASE WHEN epoch >= {{ as_of_epoch - 84 * 86400 }} THEN cents END), 0) AS BIGINT) AS cents_84d,
    CAST(SUM(CAST(FLOOR(
      EXP(CAST({{ orders_decay }} AS DOUBLE) * CAST({{ as_of_epoch }} - epoch AS DOUBLE)) * 1000000
    ) AS BIGINT)) AS BIGINT) AS decayed_micros
  FROM happened
  GROUP BY customer_key, target
), paced AS (
  SELECT
    customer_key,
    target,
    first_epoch,
    last_epoch,
    orders_28d,
    orders_84d,
    orders_total,
    cents_84d,
    decayed_micros,
    CASE
      WHEN orders_total > 1
        THEN CAST(last_epoch - first_epoch AS DOUBLE) / CAST(orders_total - 1 AS DOUBLE)
    END AS gap_seconds
  FROM counted
), orders AS (
  SELECT customer_key, COUNT(*) AS orders_84d
  FROM customer_orders
  WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }} AND ordered_epoch >= {{ as_of_epoch - 84 * 86400 }}
  GROUP BY customer_key
)
SELECT
  paced.customer_key,
  {{ as_of }} AS as_of,
  {{ family }} AS family,
  paced.target,
  CAST(FLOOR(CAST({{ as_of_epoch }} - paced.last_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS target_recency_days,
  paced.orders_28d AS target_orders_28d,
  paced.orders_84d AS target_orders_84d,
  paced.orders_total AS target_orders_total,
  paced.cents_84d AS target_spend_cents_84d,
  CAST(paced.decayed_micros AS DOUBLE) / CAST(1000000 AS DOUBLE) AS target_decayed_orders,
  CAST(paced.orders_84d AS DOUBLE) / CAST(orders.orders_84d AS DOUBLE) AS target_order_share_84d,
  CAST(paced.gap_seconds AS DOUBLE) / CAST(86400 AS DOUBLE) AS target_gap_days,
  CAST({{ as_of_epoch }} - paced.last_epoch AS DOUBLE)
    / CAST(CASE WHEN paced.gap_seconds < 86400 THEN 86400 ELSE paced.gap_seconds END AS DOUBLE) AS target_overdue_ratio
FROM paced
LEFT JOIN orders ON orders.customer_key = paced.customer_key
