import { onPlatform } from './e2e.fixture.ts';
import { COOLING_SECONDS, destinations } from './suites/destinations.fixture.ts';
import { payeeWallets } from './suites/payee-wallets.fixture.ts';
import { SCREENED } from './suites/screening.fixture.ts';

onPlatform(
  'destinations',
  (e2e) => {
    destinations(e2e);
    payeeWallets(e2e);
  },
  {
    environment: { SIGNER_DESTINATION_COOLING_SECONDS: String(COOLING_SECONDS), ...SCREENED },
  },
);
