-- In how many segments customers are at as_of. One row per number of segments.
WITH counted AS (
  SELECT everybody.customer_key, COUNT(members.segment) AS segments
  FROM customer_features AS everybody
  LEFT JOIN segment_members AS members
    ON members.customer_key = everybody.customer_key
    AND members.as_of = everybody.as_of
  WHERE everybody.as_of = {{ as_of }}
  GROUP BY everybody.customer_key
)
SELECT segments, COUNT(*) AS customers
FROM counted
GROUP BY segments
ORDER BY segments ASC NULLS LAST
