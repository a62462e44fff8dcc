-- Departments first: one pass over the lines, and what is distinct needs no COUNT(DISTINCT).
WITH departments AS (
  SELECT
    customer_key,
    department,
    COUNT(*) AS lines,
    COUNT(CASE WHEN retail_discount_cents > 0 OR coupon_discount_cents > 0 THEN 1 END) AS discounted_lines,
    COUNT(CASE WHEN coupon_discount_cents > 0 THEN 1 END) AS coupon_lines,
    COUNT(CASE WHEN brand IN ({{ own_brands }}) THEN 1 END) AS own_brand_lines,
    CAST(SUM(amount_cents) AS BIGINT) AS amount_cents,
    CAST(SUM(COALESCE(retail_discount_cents, 0) + COALESCE(coupon_discount_cents, 0)) AS BIGINT) AS discount_cents
  FROM customer_order_lines
  WHERE status = 'placed'
    AND ordered_epoch < {{ as_of_epoch }}
    AND ordered_epoch >= {{ as_of_epoch }} - 84 * 86400
  GROUP BY customer_key, department
), ranked AS (
  SELECT
    customer_key,
    department,
    lines,
    discounted_lines,
    coupon_lines,
    own_brand_lines,
    amount_cents,
    discount_cents,
    ROW_NUMBER() OVER (
      PARTITION BY customer_key ORDER BY amount_cents DESC NULLS LAST, department ASC NULLS LAST
    ) AS place
  FROM departments
)
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  COUNT(*) AS departments_84d,
  CAST(SUM(lines) AS BIGINT) AS lines_84d,
  CAST(SUM(discounted_lines) AS BIGINT) AS discounted_lines_84d,
  CAST(SUM(coupon_lines) AS BIGINT) AS coupon_lines_84d,
  CAST(SUM(own_brand_lines) AS BIGINT) AS own_brand_lines_84d,
  CAST(SUM(amount_cents) AS BIGINT) AS amount_cents_84d,
  CAST(SUM(discount_cents) AS BIGINT) AS discount_cents_84d,
  MAX(CASE WHEN place = 1 THEN department END) AS top_department,
  MAX(CASE WHEN place = 1 THEN amount_cents END) AS top_department_cents_84d
FROM ranked
GROUP BY customer_key
