"""`magnetgen leads`: the owner's view of what the forms brought, from the local store or any deployed handler."""
