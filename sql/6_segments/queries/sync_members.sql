-- Who may be in an audience, with the address and the consent that decide it. Personal data: read by ml/syncs/desired.py only.
SELECT
    segment_members.customer_key,
    segment_members.is_holdout,
    customer_profiles.email,
    customer_consents.granted
FROM segment_members
LEFT JOIN customer_profiles
    ON customer_profiles.customer_key = segment_members.customer_key
LEFT JOIN customer_consents
    ON customer_consents.customer_key = segment_members.customer_key
    AND customer_consents.purpose = {{ purpose }}
    AND customer_consents.channel = {{ channel }}
WHERE segment_members.segment = {{ segment }}
    AND segment_members.as_of = {{ as_of }}
