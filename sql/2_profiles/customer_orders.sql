WITH lines AS (
  SELECT order_id, COUNT(*) AS line_count
  FROM stg_order_lines
  GROUP BY order_id
)
SELECT
  orders.order_id,
  identities.customer_key,
  orders.ordered_at,
  orders.ordered_epoch,
  orders.status,
  orders.channel,
  orders.store_id,
  orders.currency,
  orders.total_cents,
  COALESCE(lines.line_count, 0) AS line_count
FROM stg_orders AS orders
JOIN customer_identities AS identities
  ON identities.identifier_type = 'customer_ref' AND identities.identifier = orders.customer_ref
LEFT JOIN lines ON lines.order_id = orders.order_id
ORDER BY
  identities.customer_key ASC NULLS FIRST, orders.ordered_epoch ASC NULLS FIRST, orders.order_id ASC NULLS FIRST
