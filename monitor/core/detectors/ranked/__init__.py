"""River's change detectors under the page budget: ranks in, a threshold calibrated once on noise."""
