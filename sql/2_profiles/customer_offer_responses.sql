SELECT
  responses.response_id,
  identities.customer_key,
  responses.campaign_id,
  responses.offer_id,
  responses.response,
  responses.responded_epoch
FROM stg_offer_responses AS responses
JOIN customer_identities AS identities
  ON identities.identifier_type = 'customer_ref' AND identities.identifier = responses.customer_ref
ORDER BY
  identities.customer_key ASC NULLS FIRST,
  responses.responded_epoch ASC NULLS FIRST,
  responses.response_id ASC NULLS FIRST
