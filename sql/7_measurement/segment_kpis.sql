-- Totals are whole numbers; each ratio is one division at the end, so that every engine gives the same double.
WITH arms AS (
  SELECT
    everybody.customer_key
    , CASE
        WHEN members.customer_key IS NULL THEN 'non_members'
        WHEN members.is_holdout THEN 'holdout'
        ELSE 'members'
      END AS arm
  FROM customer_features AS everybody
  LEFT JOIN segment_members AS members
    ON members.customer_key = everybody.customer_key
    AND members.segment = {{ segment }}
    AND members.as_of = {{ cohort_as_of }}
  WHERE everybody.as_of = {{ cohort_as_of }}
)
, bought AS (
  SELECT
    customer_key
    , COUNT(*) AS orders
    , CAST(SUM(COALESCE(total_cents, 0)) AS BIGINT) AS revenue_cents
  FROM customer_orders
  WHERE status = 'placed'
    AND ordered_epoch >= {{ window_start_epoch }}
    AND ordered_epoch < {{ window_end_epoch }}
  GROUP BY customer_key
)
, totals AS (
  SELECT
    arms.arm
    , COUNT(*) AS customers
    , COUNT(bought.customer_key) AS converters
    , CAST(SUM(COALESCE(bought.orders, 0)) AS BIGINT) AS orders
    , CAST(SUM(COALESCE(bought.revenue_cents, 0)) AS BIGINT) AS revenue_cents
  FROM arms
  LEFT JOIN bought ON bought.customer_key = arms.customer_key
  GROUP BY arms.arm
)
SELECT
  {{ segment }} AS segment
  , {{ as_of }} AS as_of
  , {{ window_days }} AS window_days
  , arm
  , {{ basis }} AS basis
  , {{ cohort_as_of }} AS cohort_as_of
  , {{ window_start }} AS window_start
  , {{ window_end }} AS window_end
  , customers
  , converters
  , orders
  , revenue_cents
  , CAST(converters AS DOUBLE) / CAST(customers AS DOUBLE) AS conversion
  , CAST(revenue_cents AS DOUBLE) / NULLIF(CAST(orders AS DOUBLE), 0) AS average_order_cents
  , CAST(revenue_cents AS DOUBLE) / CAST(customers AS DOUBLE) AS revenue_per_customer_cents
FROM totals
