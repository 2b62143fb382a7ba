"""What the server says about itself: statistics, Prometheus metrics, the prediction log's feed."""
