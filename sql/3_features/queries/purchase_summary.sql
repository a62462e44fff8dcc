-- Each customer's purchase history before as_of as buy-till-you-die models read it (Fader, Hardie and Lee 2005).
-- Reads customer_orders. Counted in days of 86,400 seconds back from as_of: the orders of one day are one purchase, the
-- first day is the start and not a repeat, and an order worth nothing is a purchase like any other.
WITH days AS (
  SELECT customer_key, days_ago, SUM(total_cents) AS cents
  FROM (
    SELECT
      customer_key,
      total_cents,
      CAST(FLOOR(CAST({{ as_of_epoch }} - 1 - ordered_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS days_ago
    FROM customer_orders
    WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
  ) AS placed
  GROUP BY customer_key, days_ago
), starts AS (
  SELECT customer_key, days_ago, cents, MAX(days_ago) OVER (PARTITION BY customer_key) AS first_days_ago
  FROM days
), summed AS (
  SELECT
    customer_key,
    first_days_ago,
    COUNT(*) - 1 AS frequency,
    MIN(days_ago) AS last_days_ago,
    CAST(COALESCE(SUM(CASE WHEN days_ago < first_days_ago THEN cents END), 0) AS BIGINT) AS repeat_cents
  FROM starts
  GROUP BY customer_key, first_days_ago
)
SELECT
  customer_key,
  frequency,
  first_days_ago - last_days_ago AS recency_days,
  first_days_ago AS age_days,
  CASE
    WHEN frequency > 0 AND repeat_cents > 0 THEN CAST(repeat_cents AS DOUBLE) / CAST(frequency AS DOUBLE)
    ELSE CAST(0 AS DOUBLE)
  END AS monetary_cents
FROM summed
