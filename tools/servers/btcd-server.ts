import { randomBytes } from 'node:crypto';
import { MINER_WORD, RegtestWallet } from '@finality/chain-simulator';
import { askBtcd, startBtcd } from './btcd.ts';
import { BTCD_VERSION } from './btcd-install.ts';
import { firstFreePort } from './ports.ts';
import type { ServerKind } from './server.ts';

/** As in btcd's own defaults for regtest. */
const RPC_PORT_PREFERRED = 18_334;
const PEER_PORT_PREFERRED = 18_444;

/**
 * btcd on regtest. Its blocks pay the key that `RegtestWallet(MINER_WORD)` has.
 * @param ports default: btcd's own, or any others when those are taken
 */
export function btcdServer(ports?: { readonly port: number; readonly peerPort: number }): ServerKind {
  return {
    name: 'btcd',
    about: `Bitcoin node ${BTCD_VERSION} on regtest; needs Go to be built`,
    endSignal: 'SIGTERM',
    async start(options) {
      const btcd = await startBtcd({
        ...options,
        miningAddress: new RegtestWallet(MINER_WORD).address,
        password: randomBytes(16).toString('hex'),
        port: ports?.port ?? (await firstFreePort(RPC_PORT_PREFERRED)),
        peerPort: ports?.peerPort ?? (await firstFreePort(PEER_PORT_PREFERRED)),
      });
      return () => btcd.stop();
    },
    async ask({ BITCOIN_RPC_URL = '' }) {
      const { origin, username: user, password } = new URL(BITCOIN_RPC_URL);
      const height = await askBtcd({ url: origin, user, password }, 'getblockcount');
      return height === undefined ? undefined : `at height ${String(height)}`;
    },
  };
}
