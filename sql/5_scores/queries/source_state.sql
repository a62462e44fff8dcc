-- A fingerprint of everything that features and labels up to an epoch can see; equal rows mean that a stored
-- snapshot is still right. The keys' remainders notice customers that were merged since.
WITH orders AS (
  SELECT
    COUNT(*) AS order_count,
    CAST(COALESCE(SUM(total_cents), 0) AS BIGINT) AS order_cents,
    CAST(COALESCE(SUM(customer_key % 1000003), 0) AS BIGINT) AS order_keys
  FROM customer_orders
  WHERE ordered_epoch < {{ until_epoch }}
), order_lines AS (
  SELECT COUNT(*) AS line_count
  FROM customer_order_lines
  WHERE ordered_epoch < {{ until_epoch }}
), events AS (
  SELECT
    COUNT(*) AS event_count,
    CAST(COALESCE(SUM(customer_key % 1000003), 0) AS BIGINT) AS event_keys
  FROM customer_events
  WHERE event_epoch < {{ until_epoch }}
), messages AS (
  SELECT
    COUNT(*) AS message_count,
    CAST(COALESCE(SUM(customer_key % 1000003), 0) AS BIGINT) AS message_keys
  FROM customer_messages
  WHERE event_epoch < {{ until_epoch }}
), responses AS (
  SELECT
    COUNT(*) AS response_count,
    CAST(COALESCE(SUM(customer_key % 1000003), 0) AS BIGINT) AS response_keys
  FROM customer_offer_responses
  WHERE responded_epoch < {{ until_epoch }}
)
SELECT *
FROM orders
CROSS JOIN order_lines
CROSS JOIN events
CROSS JOIN messages
CROSS JOIN responses
