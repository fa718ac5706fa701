"""One worker: records in, judged, stored, and what they earn sent; `app` is the place to begin."""
