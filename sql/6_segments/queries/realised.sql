-- What customers ordered from as_of on, for window_days: sums from which tests are made, over whole cents, so
-- that every engine adds up the same. One row per segment, of its members; segment is empty for everybody.
WITH bought AS (
  SELECT customer_key, CAST(SUM(COALESCE(total_cents, 0)) AS BIGINT) AS cents
  FROM customer_orders
  WHERE status = 'placed'
    AND ordered_epoch >= {{ as_of_epoch }}
    AND ordered_epoch < {{ as_of_epoch }} + {{ window_days }} * 86400
  GROUP BY customer_key
)
, outcomes AS (
  SELECT
    everybody.customer_key
    , CASE WHEN bought.customer_key IS NULL THEN 0 ELSE 1 END AS bought
    , COALESCE(bought.cents, 0) AS cents
  FROM customer_features AS everybody
  LEFT JOIN bought ON bought.customer_key = everybody.customer_key
  WHERE everybody.as_of = {{ as_of }}
)
SELECT
  members.segment
  , COUNT(*) AS customers
  , CAST(SUM(outcomes.bought) AS BIGINT) AS buyers
  , CAST(SUM(outcomes.cents) AS DOUBLE) / CAST(100 AS DOUBLE) AS spent
  , CAST(SUM(outcomes.cents * outcomes.cents) AS DOUBLE) / CAST(10000 AS DOUBLE) AS spent_squared
FROM segment_members AS members
JOIN outcomes ON outcomes.customer_key = members.customer_key
WHERE members.as_of = {{ as_of }}
GROUP BY members.segment
UNION ALL
SELECT
  ''
  , COUNT(*)
  , CAST(SUM(bought) AS BIGINT)
  , CAST(SUM(cents) AS DOUBLE) / CAST(100 AS DOUBLE)
  , CAST(SUM(cents * cents) AS DOUBLE) / CAST(10000 AS DOUBLE)
FROM outcomes
