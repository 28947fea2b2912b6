#!/usr/bin/env python3
"""service_metrics.py PORT REQUESTS: what service says at its second port, as Prometheus's own client parses it."""

import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

port, requests = sys.argv[1:]
reply = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30)
families = {family.name: family for family in text_string_to_metric_families(reply.read().decode())}
for name, family in sorted(families.items()):
    print(f"{name}: {family.type}, {len(family.samples)} value")
print("requests as they were made:", "yes" if families["service_requests"].samples[0].value == int(requests) else "no")
