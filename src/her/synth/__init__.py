"""From a novel to training rows."""
