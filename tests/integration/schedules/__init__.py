"""Jobs for later, with real schedulers."""
