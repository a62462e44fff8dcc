-- How often a customer completed a sequence, and when last: one row per customer who did.
{% from "macros/sequences.sql" import closed, happened, kept, reached %}
WITH {{ happened(of, seen) }}
{% for step in of.steps %}
{{ reached(of, seen, step, loop.index) }}
{% endfor %}
{{ closed(of, seen) }}
{{ kept(of) }}
