SELECT
  messages.message_event_id,
  messages.message_id,
  COALESCE(by_ref.customer_key, by_email.customer_key) AS customer_key,
  messages.event_type,
  messages.event_at,
  messages.event_epoch,
  messages.channel,
  messages.campaign_id
FROM stg_messages AS messages
LEFT JOIN customer_identities AS by_ref
  ON by_ref.identifier_type = 'customer_ref' AND by_ref.identifier = messages.customer_ref
LEFT JOIN contact_points AS contacts
  ON contacts.contact_type = 'email' AND contacts.raw_value = messages.email AND contacts.country = ''
LEFT JOIN customer_identities AS by_email
  ON by_email.identifier_type = 'email' AND by_email.identifier = contacts.identifier
WHERE COALESCE(by_ref.customer_key, by_email.customer_key) IS NOT NULL
ORDER BY
  COALESCE(by_ref.customer_key, by_email.customer_key) ASC NULLS FIRST,
  messages.event_epoch ASC NULLS FIRST,
  messages.message_event_id ASC NULLS FIRST
