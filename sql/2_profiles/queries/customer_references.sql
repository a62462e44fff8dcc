-- Every customer reference that any source uses, and when it was first seen. A household that only
-- shops, and has no contact record, is a customer too.
WITH seen AS (
  SELECT customer_ref, MIN(created_epoch) AS first_seen_epoch
  FROM stg_customers
  GROUP BY customer_ref
  UNION ALL
  SELECT linked_ref AS customer_ref, MIN(created_epoch) AS first_seen_epoch
  FROM stg_customers
  GROUP BY linked_ref
  UNION ALL
  SELECT customer_ref, MIN(ordered_epoch) AS first_seen_epoch
  FROM stg_orders
  GROUP BY customer_ref
  UNION ALL
  SELECT customer_ref, MIN(ordered_epoch) AS first_seen_epoch
  FROM stg_order_lines
  GROUP BY customer_ref
  UNION ALL
  SELECT customer_ref, MIN(event_epoch) AS first_seen_epoch
  FROM stg_events
  GROUP BY customer_ref
  UNION ALL
  SELECT customer_ref, MIN(event_epoch) AS first_seen_epoch
  FROM stg_messages
  GROUP BY customer_ref
  UNION ALL
  SELECT customer_ref, MIN(responded_epoch) AS first_seen_epoch
  FROM stg_offer_responses
  GROUP BY customer_ref
  UNION ALL
  SELECT customer_ref, MIN(recorded_epoch) AS first_seen_epoch
  FROM stg_consents
  GROUP BY customer_ref
)
SELECT customer_ref, MIN(first_seen_epoch) AS first_seen_epoch
FROM seen
WHERE customer_ref IS NOT NULL
GROUP BY customer_ref
ORDER BY customer_ref ASC NULLS FIRST
