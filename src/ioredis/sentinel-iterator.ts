export class SentinelIterator {}
