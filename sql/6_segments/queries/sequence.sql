-- How often a customer completed a sequence, and when last: one row per customer who did.
{% from "macros/sequences.sql" import closed, happened, kept, reached %}
WITH {{ happened(of, flags) }}
{% for step in of.steps %}
{{ reached(of, step, loop.index) }}
{% endfor %}
{{ closed(of) }}
{{ kept(of) }}
