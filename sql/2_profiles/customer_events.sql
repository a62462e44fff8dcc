-- Two left joins and a COALESCE, not an OR in one join: an OR makes both engines compare every pair.
-- Bots and passers-by have neither reference nor known device: they stay in staging and are counted.
SELECT
  events.event_id,
  COALESCE(by_ref.customer_key, by_device.customer_key) AS customer_key,
  events.session_id,
  events.event_type,
  events.event_at,
  events.event_epoch,
  events.product_id,
  events.category,
  events.device,
  events.country,
  events.region,
  events.referrer,
  events.campaign_id,
  events.duration_seconds,
  events.scroll_depth,
  events.value_cents,
  events.order_id
FROM stg_events AS events
LEFT JOIN customer_identities AS by_ref
  ON by_ref.identifier_type = 'customer_ref' AND by_ref.identifier = events.customer_ref
LEFT JOIN customer_identities AS by_device
  ON by_device.identifier_type = 'anonymous_id' AND by_device.identifier = events.anonymous_id
WHERE COALESCE(by_ref.customer_key, by_device.customer_key) IS NOT NULL
ORDER BY
  COALESCE(by_ref.customer_key, by_device.customer_key) ASC NULLS FIRST,
  events.event_epoch ASC NULLS FIRST,
  events.event_id ASC NULLS FIRST
