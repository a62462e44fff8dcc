-- How many customers two segments share at as_of; a segment with itself is its size. One row per ordered pair that shares any.
SELECT one.segment AS segment, other.segment AS other, COUNT(*) AS shared
FROM segment_members AS one
JOIN segment_members AS other
    ON other.customer_key = one.customer_key
    AND other.as_of = one.as_of
WHERE one.as_of = {{ as_of }}
    AND one.segment <= other.segment
GROUP BY one.segment, other.segment
ORDER BY segment ASC NULLS LAST, other ASC NULLS LAST
