import { institutionV1, proposalV1 } from '@finality/contracts';
import { systemRuntime } from '@finality/service';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { freshKey, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { changeAddressOf } from './deposits.fixture.ts';
import { steal } from '../thief.fixture.ts';
import { newKey } from '../../operators.ts';
import { patiently, until } from '../wait.fixture.ts';

// What takes two of the platform's own people.

const COIN_SATS = 20_000_000n;
/** Takes both coins. */
const AMOUNT_SATS = 30_000_000n;
const SMALLER_SATS = 15_000_000n;
const STRAY_SATS = 400_000n;
const PAGE = { pageSize: 0, pageToken: '' };

/** Coins of which no transaction has any use: what holds whatever the services run on. */
export function releasedCoins(e2e: () => E2e): void {
  it('coins of which no transaction has any use are free once both say so, and pay again', async () => {
    const { outside, operator } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    const outpoints = await payer.fund({ wallet: [COIN_SATS, COIN_SATS] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    await payer.executing(settlementId);
    await steal(e2e(), payer, outpoints[0]!);
    await until(
      'the theft is known',
      () => e2e().confirmIncidents(),
      (kinds) => kinds.length > 0,
    );
    const lineageId = settlementId;
    const ask = (api = operator) =>
      api.operations.releaseCoins({ idempotencyKey: freshKey(), lineageId, reason: 'its other coin was stolen' });
    const confirm = (api = operator) =>
      api.operations.confirmCoinRelease({ idempotencyKey: freshKey(), lineageId, reason: 'seen in the chain' });
    await outside.mine(5);
    expect(await refused(ask())).toMatchObject({ reason: 'LINEAGE_NOT_OVER' });
    await outside.mine(1);
    await payer.settlement(settlementId, 'FAILED');

    // Its money is the payer's again, and nothing is there to pay with.
    const next = await payer.submit({ to: payee, amountSats: SMALLER_SATS, mode: 'BILATERAL' });
    await payer.settlement(next.settlementId, 'QUEUED');
    const { lockedCoins } = await operator.operations.listLockedCoins(PAGE);
    const coins = [{ outpoint: outpoints[1], valueSats: COIN_SATS }];
    expect(lockedCoins).toEqual([
      { lineageId, walletId: payer.wallet!.walletId, isDead: true, coins, release: undefined },
    ]);

    expect(await refused(confirm())).toMatchObject({ reason: 'NO_RELEASE_PROPOSED' });
    const { release } = await ask();
    expect(release).toMatchObject({ outpoints: [outpoints[1]], reason: 'its other coin was stolen', confirmedBy: '' });
    expect(await refused(confirm())).toMatchObject({ reason: 'SAME_PERSON' });
    const confirmed = await confirm(e2e().second);
    expect(confirmed.lineageId).toBe(lineageId);
    await until(
      'nothing is locked',
      () => operator.operations.listLockedCoins(PAGE),
      (page) => page.lockedCoins.length === 0,
    );
    // The signer knows too: it signs the coin for another lineage.
    const { confirmationsRequired, feeSats } = await payer.executing(next.settlementId);
    await outside.mine(confirmationsRequired);
    await payer.settlement(next.settlementId, 'SETTLED');
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: SMALLER_SATS });
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 2n * COIN_SATS - SMALLER_SATS - feeSats });
    expect(await refused(ask())).toMatchObject({ reason: 'NOTHING_TO_RELEASE' });
    await expectInOrder(e2e());
  });
}

/** Money that nobody has asked for: what holds whatever the services run on. */
export function resolvedSuspense(e2e: () => E2e): void {
  it('money paid to change is its owner’s, once both say so', async () => {
    const { outside, operator } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [COIN_SATS] });
    const settled = await payer.settle({ to: payee, amountSats: SMALLER_SATS, mode: 'BILATERAL' });
    const { available } = await payer.balance('wallet');
    const address = await changeAddressOf(e2e(), settled.txid!, SMALLER_SATS);
    const { outpoints } = await outside.payIn({ address, valueSats: STRAY_SATS });
    const outpoint = outpoints[0]!;
    await outside.mine(1);
    const mine = async () => {
      const { items } = await operator.operations.listSuspense(PAGE);
      return items.filter((item) => item.outpoint === outpoint);
    };
    const [item] = await until('it is in suspense', mine, ({ length }) => length === 1);
    const { walletId } = payer.wallet!;
    expect(item).toMatchObject({ walletId, amountSats: STRAY_SATS, reason: 'change_address', resolution: undefined });
    const found = { outpoint, reason: 'their customer has told us', evidence: 'letter of 3 March' };
    const resolve = (institutionId: string) =>
      operator.operations.resolveSuspense({ idempotencyKey: freshKey(), institutionId, ...found });
    const confirm = ({ operations } = operator) =>
      operations.confirmSuspenseResolution({ idempotencyKey: freshKey(), outpoint, reason: 'seen the letter' });
    expect(await refused(resolve(payee.id))).toMatchObject({ reason: 'NOT_THEIR_WALLET' });
    expect(await refused(confirm())).toMatchObject({ reason: 'NO_RESOLUTION_PROPOSED' });
    const proposed = await resolve(payer.id);
    expect(proposed).toMatchObject({ ...found, institutionId: payer.id, confirmedBy: '' });
    expect((await mine())[0]?.resolution).toEqual(proposed);
    expect(await refused(confirm())).toMatchObject({ reason: 'SAME_PERSON' });
    const confirmed = await confirm(e2e().compliance);
    expect(confirmed).toMatchObject({ ...found, confirmationReason: 'seen the letter' });
    expect([await mine(), await payer.balance('wallet')]).toEqual([
      [],
      { ...NOTHING, available, incoming: STRAY_SATS },
    ]);
    await outside.mine(2);
    await payer.deposit(outpoint, 'CREDITED');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: available + STRAY_SATS });
    expect(await refused(resolve(payer.id))).toMatchObject({ reason: 'NOT_IN_SUSPENSE' });
    await expectInOrder(e2e());
  });
}

/** What makes somebody's risk greater: what holds whatever the services run on. */
export function proposedChanges(e2e: () => E2e): void {
  const { PROPOSAL_STATUS_PROPOSED, PROPOSAL_STATUS_CONFIRMED, PROPOSAL_STATUS_REJECTED } = proposalV1.ProposalStatus;

  it('more credit is proposed by one operator, confirmed by another one, and withdrawn by any', async () => {
    const { id: institutionId } = await e2e().bank({ wallet: 'none' });
    const { liquidity, proposals } = e2e().operator;
    const line = { institutionId, limitSats: 5_000n };
    const alone = { ...line, idempotencyKey: freshKey(), reason: 'alone' };
    expect(await refused(liquidity.setCreditLine(alone))).toMatchObject({ reason: 'SECOND_PERSON_REQUIRED' });
    const setCreditLine = { ...line, idempotencyKey: '', reason: '' };
    const request = { idempotencyKey: freshKey(), change: { setCreditLine }, reason: 'reviewed' };
    const proposal = await proposals.proposeChange(request);
    expect(await proposals.proposeChange(request)).toEqual(proposal);
    expect(proposal).toMatchObject({ institutionId, status: PROPOSAL_STATUS_PROPOSED, change: { setCreditLine } });
    const { proposalId, expiresAt, proposedAt } = proposal;
    expect(expiresAt!.seconds - proposedAt!.seconds).toBe(72n * 3_600n);
    const decision = () => ({ idempotencyKey: freshKey(), proposalId, reason: 'seen' });
    const again = { ...request, idempotencyKey: freshKey() };
    expect(await refused(proposals.proposeChange(again))).toMatchObject({ reason: 'ALREADY_PROPOSED' });
    expect(await refused(proposals.confirmProposal(decision()))).toMatchObject({ reason: 'SAME_PERSON' });
    const open = { institutionId, status: PROPOSAL_STATUS_PROPOSED, ...PAGE };
    expect((await proposals.listProposals(open)).proposals).toEqual([proposal]);
    const metrics = await (await fetch(`${e2e().http}/metrics`)).text();
    expect(metrics).toMatch(/^finality_proposals_open(\{.*\})? 1$/m);
    for (const name of ['finality_default_fund_short', 'finality_defaulters_owe'])
      expect(metrics).toMatch(new RegExp(`^${name}\\{.*unit="BTC".*\\} 0$`, 'm'));
    const second = e2e().second.proposals;
    const done = await second.confirmProposal(decision());
    expect(done).toMatchObject({ status: PROPOSAL_STATUS_CONFIRMED, proposedBy: proposal.proposedBy });
    expect(new Set([done.proposedBy, done.decidedBy, '']).size).toBe(3);
    expect(await refused(second.confirmProposal(decision()))).toMatchObject({ reason: 'NOT_PROPOSED' });
    expect(await liquidity.getLiquidity({ institutionId })).toMatchObject({ spendableSats: 5_000n });
    await liquidity.setCreditLine({ ...alone, idempotencyKey: freshKey(), limitSats: 0n });
    expect(await liquidity.getLiquidity({ institutionId })).toMatchObject({ spendableSats: 0n });
    const anew = await proposals.proposeChange({ ...request, idempotencyKey: freshKey() });
    expect(anew).toMatchObject({ proposalId, proposals: 2, status: PROPOSAL_STATUS_PROPOSED });
    expect(await proposals.rejectProposal(decision())).toMatchObject({ status: PROPOSAL_STATUS_REJECTED });
    expect((await proposals.listProposals(open)).proposals).toEqual([]);
    const all = await proposals.listProposals({ ...open, status: 0, pageSize: 1 });
    expect(all).toMatchObject({ proposals: [{ proposalId }] });
    const rest = await proposals.listProposals({ ...open, status: 0, pageToken: all.nextPageToken });
    expect(rest).toMatchObject({ proposals: [{ change: { issueApiKey: { institutionId } } }], nextPageToken: '' });
  });

  it('an operator’s key takes two, and is no second person for three days', async () => {
    const { institutions, proposals } = e2e().operator;
    const { keyId, apiKey, change } = newKey(systemRuntime(), '', 'Kim', institutionV1.Role.ROLE_OPERATOR);
    const request = { idempotencyKey: freshKey(), change, reason: 'hired' };
    const { proposalId, ...proposed } = await proposals.proposeChange(request);
    expect(proposed).toMatchObject({ institutionId: 'platform', change });
    const kim = e2e().api(apiKey);
    expect(await refused(kim.institutions.listInstitutions(PAGE))).toMatchObject({ reason: 'API_KEY_INVALID' });
    const confirmed = { idempotencyKey: freshKey(), proposalId, reason: 'met in person' };
    await e2e().second.proposals.confirmProposal(confirmed);
    const again = { ...request, idempotencyKey: freshKey() };
    expect(await refused(proposals.proposeChange(again))).toMatchObject({ reason: 'API_KEY_EXISTS' });
    // It does what takes one, and neither step of what takes two.
    const { id: institutionId } = await e2e().bank({ wallet: 'none' });
    await patiently(() =>
      kim.institutions.freezeInstitution({ idempotencyKey: freshKey(), institutionId, reason: 'in doubt' }),
    );
    const unfreezeInstitution = { institutionId, althoughOwing: false };
    const wanted = { idempotencyKey: freshKey(), change: { unfreezeInstitution }, reason: 'looked at' };
    expect(await refused(kim.proposals.proposeChange(wanted))).toMatchObject({ reason: 'KEY_TOO_NEW' });
    const open = await proposals.proposeChange(wanted);
    const decision = { idempotencyKey: freshKey(), proposalId: open.proposalId, reason: 'seen' };
    expect(await refused(kim.proposals.confirmProposal(decision))).toMatchObject({ reason: 'KEY_TOO_NEW' });
    await e2e().second.proposals.confirmProposal(decision);
    const { status } = await institutions.getInstitution({ institutionId });
    expect(status).toBe(institutionV1.InstitutionStatus.INSTITUTION_STATUS_ACTIVE);
    const revoked = await institutions.revokeApiKey({ idempotencyKey: freshKey(), keyId, reason: 'left' });
    expect(revoked).toMatchObject({ revoked: true, confirmedBy: e2e().platform.secrets.secondOperator.keyId });
  });
}
