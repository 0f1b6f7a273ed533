"""Run the labs of docs/labs/: `make lab`, `make lab N=04`, `make labs`."""
