-- Activity that belongs to no known customer: counted, kept in staging, never given to anybody.
SELECT
  (SELECT COUNT(*) FROM stg_events) - (SELECT COUNT(*) FROM customer_events) AS unresolved_events,
  (SELECT COUNT(*) FROM stg_messages) - (SELECT COUNT(*) FROM customer_messages) AS unresolved_messages,
  (SELECT COUNT(*) FROM contact_points WHERE identifier IS NULL) AS invalid_contacts
