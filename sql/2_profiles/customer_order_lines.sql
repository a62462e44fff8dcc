SELECT
  lines.line_id,
  lines.order_id,
  identities.customer_key,
  lines.product_id,
  COALESCE(products.department, 'UNKNOWN') AS department,
  COALESCE(products.category, 'UNKNOWN') AS category,
  COALESCE(products.brand, 'UNKNOWN') AS brand,
  lines.ordered_epoch,
  lines.quantity,
  lines.amount_cents,
  lines.retail_discount_cents,
  lines.coupon_discount_cents,
  lines.status
FROM stg_order_lines AS lines
JOIN customer_identities AS identities
  ON identities.identifier_type = 'customer_ref' AND identities.identifier = lines.customer_ref
LEFT JOIN stg_products AS products ON products.product_id = lines.product_id
ORDER BY
  identities.customer_key ASC NULLS FIRST, lines.ordered_epoch ASC NULLS FIRST, lines.line_id ASC NULLS FIRST
