export type { KafkaConnection, KafkaLog } from './connection.ts';
export { dropTopics, topicsThere } from './drop-topics.ts';
export { type ForeignCounter, GroupConsumer } from './group-consumer.ts';
export * from './kafka.driver.ts';
export type { OwnerMessages } from './owner-messages.ts';
export { KafkaError, type KafkaProblem, kafkaErrorOf, problemOf } from './problem.ts';
export type { ForeignReason } from './record.ts';
export * from './relay.ts';
export * from './topics.ts';
