export * from './broadcast-answer.ts';
export * from './connect.ts';
export { TEST_ACCEPT_MAX } from './json-rpc-node.ts';
export * from './node-errors.ts';
export * from './node.ts';
export type { PushFeed, PushNews } from './push/push.ts';
export { subscribedTopic, ZmtpDecoder, zmtpGreeting, zmtpMessage, zmtpReady } from './push/zmtp.ts';
