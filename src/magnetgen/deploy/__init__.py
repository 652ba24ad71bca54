"""`magnetgen deploy`: checks, build, upload with the host's own tool, and a look at what is live then."""
