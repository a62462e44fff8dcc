"""From segment members to what a platform must be told: desired, plan, ledger, push."""
